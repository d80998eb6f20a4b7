; A counter from 0 to 3 that stays at 3.
(set-logic LIA)
(synth-fun step ((count Int) (up Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (count 1 3 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (up (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var count Int)
(declare-var up Bool)
(constraint (=> (and (<= 0 count) (<= count 3)) (=> (and up (< count 3)) (= (step count up) (+ count 1)))))
(constraint (=> (and (<= 0 count) (<= count 3)) (=> (and up (= count 3)) (= (step count up) 3))))
(constraint (=> (and (<= 0 count) (<= count 3)) (=> (not up) (= (step count up) count))))
(check-synth)

; Marked tokens counted modulo 3.
(set-logic LIA)
(synth-fun step ((count Int) (mark Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (count 0 1 2 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (mark (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var count Int)
(declare-var mark Bool)
(constraint (=> (and (<= 0 count) (<= count 2)) (=> (and mark (= count 0)) (= (step count mark) 1))))
(constraint (=> (and (<= 0 count) (<= count 2)) (=> (and mark (= count 1)) (= (step count mark) 2))))
(constraint (=> (and (<= 0 count) (<= count 2)) (=> (and mark (= count 2)) (= (step count mark) 0))))
(constraint (=> (and (<= 0 count) (<= count 2)) (=> (not mark) (= (step count mark) count))))
(check-synth)

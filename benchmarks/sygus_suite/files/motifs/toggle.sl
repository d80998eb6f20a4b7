; A state of 0 or 1 that every marked token flips.
(set-logic LIA)
(synth-fun step ((state Int) (mark Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (state 0 1 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (mark (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var state Int)
(declare-var mark Bool)
(constraint (=> (and (<= 0 state) (<= state 1)) (=> (and mark (= state 0)) (= (step state mark) 1))))
(constraint (=> (and (<= 0 state) (<= state 1)) (=> (and mark (= state 1)) (= (step state mark) 0))))
(constraint (=> (and (<= 0 state) (<= state 1)) (=> (not mark) (= (step state mark) state))))
(check-synth)

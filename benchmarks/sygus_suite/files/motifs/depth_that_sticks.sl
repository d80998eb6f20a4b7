; A depth that stays below zero once it got there.
(set-logic LIA)
(synth-fun step ((depth Int) (change Int)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (depth change 0 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool ((= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var depth Int)
(declare-var change Int)
(constraint (=> (and (<= (- 1) change) (<= change 1)) (=> (< depth 0) (= (step depth change) depth))))
(constraint (=> (and (<= (- 1) change) (<= change 1)) (=> (<= 0 depth) (= (- (step depth change) change) depth))))
(check-synth)

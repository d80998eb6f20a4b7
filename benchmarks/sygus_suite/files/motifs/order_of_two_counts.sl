; The label of a comparison: 0 less, 1 equal, 2 more.
(set-logic LIA)
(synth-fun label ((a Int) (b Int)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (a b 0 1 2 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool ((= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var a Int)
(declare-var b Int)
(constraint (=> (< a b) (= (label a b) 0)))
(constraint (=> (= a b) (= (label a b) 1)))
(constraint (=> (< b a) (= (label a b) 2)))
(check-synth)

; The distance of two numbers: one difference or the other, and never negative.
(set-logic LIA)
(synth-fun distance ((x Int) (y Int)) Int)
(declare-var x Int)
(declare-var y Int)
(constraint (or (= (distance x y) (- x y)) (= (distance x y) (- y x))))
(constraint (>= (distance x y) 0))
(check-synth)

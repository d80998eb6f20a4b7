; A symmetric function that is one of its arguments and not below the first: asked at two places at once.
(set-logic LIA)
(synth-fun bound ((x Int) (y Int)) Int)
(declare-var x Int)
(declare-var y Int)
(constraint (= (bound x y) (bound y x)))
(constraint (<= x (bound x y)))
(constraint (or (= (bound x y) x) (= (bound x y) y)))
(check-synth)

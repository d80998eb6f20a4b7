; A function of which only the steps and one value are known.
(set-logic LIA)
(synth-fun height ((x Int) (y Int)) Int
  ((Number Int))
  ((Number Int (x y 0 1 (+ Number Number) (- Number Number)))))
(declare-var x Int)
(declare-var y Int)
(constraint (= (height 0 0) 1))
(constraint (= (height (+ x 1) y) (+ (height x y) 2)))
(constraint (= (height x (+ y 1)) (- (height x y) 1)))
(check-synth)

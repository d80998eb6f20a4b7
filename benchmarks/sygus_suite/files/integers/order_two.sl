; Two functions at once: a pair in ascending order.
(set-logic LIA)
(synth-fun low ((a Int) (b Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (a b (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(synth-fun high ((a Int) (b Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (a b (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(declare-var a Int)
(declare-var b Int)
(constraint (<= (low a b) (high a b)))
(constraint (= (+ (low a b) (high a b)) (+ a b)))
(constraint (or (= (low a b) a) (= (low a b) b)))
(check-synth)

; -1, 0 or 1.
(set-logic LIA)
(synth-fun of ((x Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (x 0 1 (- 1) (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(declare-var x Int)
(constraint (=> (< x 0) (= (of x) (- 1))))
(constraint (=> (= x 0) (= (of x) 0)))
(constraint (=> (< 0 x) (= (of x) 1)))
(check-synth)

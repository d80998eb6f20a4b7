; How far apart two numbers are.
(set-logic LIA)
(synth-fun gap ((a Int) (b Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (a b 0 (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(declare-var a Int)
(declare-var b Int)
(constraint (<= 0 (gap a b)))
(constraint (or (= (gap a b) (- a b)) (= (gap a b) (- b a))))
(check-synth)

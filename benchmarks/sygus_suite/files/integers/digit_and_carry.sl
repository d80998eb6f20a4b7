; Two functions at once: the sum of two decimal digits, as a digit and a carry.
(set-logic LIA)
(synth-fun digit ((a Int) (b Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (a b 9 10 (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(synth-fun carry ((a Int) (b Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (a b 0 1 9 (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(declare-var a Int)
(declare-var b Int)
(constraint (=> (and (and (<= 0 a) (<= a 9)) (and (<= 0 b) (<= b 9))) (and (<= 0 (digit a b)) (<= (digit a b) 9))))
(constraint (=> (and (and (<= 0 a) (<= a 9)) (and (<= 0 b) (<= b 9))) (or (= (carry a b) 0) (= (carry a b) 1))))
(constraint (=> (and (and (<= 0 a) (<= a 9)) (and (<= 0 b) (<= b 9))) (= (+ (digit a b) (* 10 (carry a b))) (+ a b))))
(check-synth)

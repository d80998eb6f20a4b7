; A number kept between two bounds.
(set-logic LIA)
(synth-fun keep ((x Int) (low Int) (high Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (x low high (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(declare-var x Int)
(declare-var low Int)
(declare-var high Int)
(constraint (=> (<= low high) (and (<= low (keep x low high)) (<= (keep x low high) high))))
(constraint (=> (<= low high) (=> (and (<= low x) (<= x high)) (= (keep x low high) x))))
(constraint (=> (<= low high) (=> (< x low) (= (keep x low high) low))))
(constraint (=> (<= low high) (=> (< high x) (= (keep x low high) high))))
(check-synth)

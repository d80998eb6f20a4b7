; How far a number lies outside an interval; 0 inside.
(set-logic LIA)
(synth-fun outside ((x Int) (low Int) (high Int)) Int
  ((Number Int) (Test Bool))
  ((Number Int (x low high 0 (+ Number Number) (- Number Number) (ite Test Number Number)))
   (Test Bool ((<= Number Number) (= Number Number) (not Test) (and Test Test)))))
(declare-var x Int)
(declare-var low Int)
(declare-var high Int)
(constraint (=> (<= low high) (=> (and (<= low x) (<= x high)) (= (outside x low high) 0))))
(constraint (=> (<= low high) (=> (< x low) (= (+ (outside x low high) x) low))))
(constraint (=> (<= low high) (=> (< high x) (= (+ (outside x low high) high) x))))
(check-synth)

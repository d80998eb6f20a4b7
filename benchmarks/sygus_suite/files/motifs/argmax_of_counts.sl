; Which of three counts is largest: 0, 1 or 2, the earliest of equals.
(set-logic LIA)
(synth-fun winner ((a Int) (b Int) (c Int)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (a b c 0 1 2 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool ((= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var a Int)
(declare-var b Int)
(declare-var c Int)
(constraint (and (<= 0 (winner a b c)) (<= (winner a b c) 2)))
(constraint (=> (= (winner a b c) 0) (and (<= b a) (<= c a))))
(constraint (=> (= (winner a b c) 1) (and (< a b) (<= c b))))
(constraint (=> (= (winner a b c) 2) (and (< a c) (< b c))))
(check-synth)

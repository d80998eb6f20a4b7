; A remainder, said by what it is left of.
(set-logic LIA)
(synth-fun rest ((x Int)) Int
  ((Number Int) (Five Int))
  ((Number Int (x 0 1 (+ Number Number) (- Number Number) (mod Number Five)))
   (Five Int (5))))
(declare-var x Int)
(constraint (and (<= 0 (rest x)) (< (rest x) 5)))
(constraint (= (+ (rest x) (* 5 (div x 5))) x))
(check-synth)

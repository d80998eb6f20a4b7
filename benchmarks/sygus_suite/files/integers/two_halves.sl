; Two functions at once: a number in two parts that differ by at most one.
(set-logic LIA)
(synth-fun small ((x Int)) Int
  ((Number Int) (Two Int))
  ((Number Int (x 1 (+ Number Number) (- Number Number) (div Number Two)))
   (Two Int (2))))
(synth-fun large ((x Int)) Int
  ((Number Int) (Two Int))
  ((Number Int (x 1 (+ Number Number) (- Number Number) (div Number Two)))
   (Two Int (2))))
(declare-var x Int)
(constraint (= (+ (small x) (large x)) x))
(constraint (<= (small x) (large x)))
(constraint (<= (large x) (+ (small x) 1)))
(check-synth)

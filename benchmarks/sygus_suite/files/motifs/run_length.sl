; How long the run is that ends here.
(set-logic LIA)
(synth-fun step ((length Int) (same Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (length 0 1 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (same (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var length Int)
(declare-var same Bool)
(constraint (=> same (= (- (step length same) length) 1)))
(constraint (=> (not same) (= (step length same) 1)))
(check-synth)

; Two registers at once: the run that ends here, and the longest so far.
(set-logic LIA)
(synth-fun length ((run Int) (same Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (run 1 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (same (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(synth-fun longest ((run Int) (best Int) (same Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (run best 1 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (same (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var run Int)
(declare-var best Int)
(declare-var same Bool)
(constraint (=> same (= (length run same) (+ run 1))))
(constraint (=> (not same) (= (length run same) 1)))
(constraint (<= best (longest run best same)))
(constraint (<= (length run same) (longest run best same)))
(constraint (or (= (longest run best same) best) (= (longest run best same) (length run same))))
(check-synth)

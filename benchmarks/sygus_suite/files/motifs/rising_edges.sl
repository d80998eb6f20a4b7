; How often a flag has gone up.
(set-logic LIA)
(synth-fun step ((count Int) (before Bool) (now Bool)) Int
  ((Number Int) (Flag Bool))
  ((Number Int (count 1 (+ Number Number) (- Number Number) (ite Flag Number Number)))
   (Flag Bool (before now (= Number Number) (<= Number Number) (< Number Number) (not Flag) (and Flag Flag)))))
(declare-var count Int)
(declare-var before Bool)
(declare-var now Bool)
(constraint (=> (and now (not before)) (= (step count before now) (+ count 1))))
(constraint (=> (or (not now) before) (= (step count before now) count)))
(check-synth)

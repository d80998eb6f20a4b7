; A flag that follows its input only when the input was the same twice.
(set-logic LIA)
(synth-fun step ((state Bool) (before Bool) (now Bool)) Bool
  ((Flag Bool))
  ((Flag Bool (state before now (= Flag Flag) (not Flag) (ite Flag Flag Flag)))))
(declare-var state Bool)
(declare-var before Bool)
(declare-var now Bool)
(constraint (=> (and before now) (step state before now)))
(constraint (=> (and (not before) (not now)) (not (step state before now))))
(constraint (=> (and before (not now)) (= (step state before now) state)))
(constraint (=> (and (not before) now) (= (step state before now) state)))
(check-synth)

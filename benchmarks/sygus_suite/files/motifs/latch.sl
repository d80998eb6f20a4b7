; A flag that is set by one token and cleared by another; setting wins.
(set-logic LIA)
(synth-fun step ((held Bool) (put Bool) (clear Bool)) Bool
  ((Flag Bool))
  ((Flag Bool (held put clear (not Flag) (and Flag Flag) (or Flag Flag)))))
(declare-var held Bool)
(declare-var put Bool)
(declare-var clear Bool)
(constraint (=> put (step held put clear)))
(constraint (=> (and (not put) clear) (not (step held put clear))))
(constraint (=> (and (not put) (not clear)) (= (step held put clear) held)))
(check-synth)

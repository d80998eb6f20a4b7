; Whether the sum of two bytes overflows.
(set-logic BV)
(synth-fun carry ((x (_ BitVec 8)) (y (_ BitVec 8))) Bool
  ((Test Bool) (Word (_ BitVec 8)))
  ((Test Bool ((bvult Word Word) (= Word Word) (not Test)))
   (Word (_ BitVec 8) (x y (bvnot Word) (bvadd Word Word)))))
(declare-var x (_ BitVec 8))
(declare-var y (_ BitVec 8))
(constraint (= (carry x y) (= ((_ extract 8 8) (bvadd ((_ zero_extend 1) x) ((_ zero_extend 1) y))) #b1)))
(check-synth)

; The distance of a signed byte from zero, without a conditional.
(set-logic BV)
(synth-fun size ((x (_ BitVec 8))) (_ BitVec 8)
  ((Word (_ BitVec 8)))
  ((Word (_ BitVec 8) (x #x07 (bvnot Word) (bvneg Word) (bvand Word Word) (bvxor Word Word) (bvadd Word Word) (bvsub Word Word) (bvashr Word Word)))))
(declare-var x (_ BitVec 8))
(constraint (=> (= ((_ extract 7 7) x) #b1) (= (bvadd (size x) x) #x00)))
(constraint (=> (not (= ((_ extract 7 7) x) #b1)) (= (size x) x)))
(check-synth)

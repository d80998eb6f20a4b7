; Whether an odd number of four bits is set, as 0 or 1.
(set-logic BV)
(synth-fun parity ((x (_ BitVec 4))) (_ BitVec 4)
  ((Word (_ BitVec 4)))
  ((Word (_ BitVec 4) (x #x1 #x2 (bvand Word Word) (bvxor Word Word) (bvlshr Word Word)))))
(declare-var x (_ BitVec 4))
(constraint (bvule (parity x) #x1))
(constraint (= ((_ extract 0 0) (parity x)) (bvxor (bvxor ((_ extract 0 0) x) ((_ extract 1 1) x)) (bvxor ((_ extract 2 2) x) ((_ extract 3 3) x)))))
(check-synth)

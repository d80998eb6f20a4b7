; The two halves of a byte, exchanged.
(set-logic BV)
(synth-fun swap ((x (_ BitVec 8))) (_ BitVec 8)
  ((Word (_ BitVec 8)))
  ((Word (_ BitVec 8) (x #x04 #x0f (bvnot Word) (bvneg Word) (bvand Word Word) (bvor Word Word) (bvshl Word Word) (bvlshr Word Word)))))
(declare-var x (_ BitVec 8))
(constraint (= ((_ extract 7 4) (swap x)) ((_ extract 3 0) x)))
(constraint (= ((_ extract 3 0) (swap x)) ((_ extract 7 4) x)))
(check-synth)

; Isolates the rightmost 1.
(set-logic BV)
(synth-fun f ((x (_ BitVec 32))) (_ BitVec 32)
  ((Word (_ BitVec 32)))
  ((Word (_ BitVec 32) (x #x00000000 #x00000001 #x0000001f (bvnot Word) (bvneg Word) (bvand Word Word) (bvor Word Word) (bvxor Word Word) (bvadd Word Word) (bvsub Word Word) (bvmul Word Word) (bvudiv Word Word) (bvlshr Word Word) (bvashr Word Word) (bvshl Word Word)))))
(declare-var x (_ BitVec 32))
(constraint (= (f x) (bvand x (bvneg x))))
(check-synth)

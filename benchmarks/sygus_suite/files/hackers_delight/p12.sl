; Whether the first word has no more 0s at the left.
(set-logic BV)
(synth-fun f ((x (_ BitVec 32)) (y (_ BitVec 32))) Bool
  ((Test Bool) (Word (_ BitVec 32)))
  ((Test Bool ((bvule Word Word) (bvult Word Word) (= Word Word) (not Test) (and Test Test) (or Test Test)))
   (Word (_ BitVec 32) (x y #x00000000 #x00000001 #x0000001f (bvnot Word) (bvneg Word) (bvand Word Word) (bvor Word Word) (bvxor Word Word) (bvadd Word Word) (bvsub Word Word) (bvmul Word Word) (bvudiv Word Word) (bvlshr Word Word) (bvashr Word Word) (bvshl Word Word)))))
(declare-var x (_ BitVec 32))
(declare-var y (_ BitVec 32))
(constraint (= (f x y) (bvule (bvand y (bvnot x)) x)))
(check-synth)

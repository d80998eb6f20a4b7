; Whether exactly one bit of a non-zero word is set.
(set-logic BV)
(synth-fun power ((x (_ BitVec 8))) Bool
  ((Test Bool) (Word (_ BitVec 8)))
  ((Test Bool ((= Word Word) (bvult Word Word) (not Test)))
   (Word (_ BitVec 8) (x #x00 #x01 (bvnot Word) (bvneg Word) (bvand Word Word) (bvor Word Word) (bvxor Word Word) (bvadd Word Word) (bvsub Word Word)))))
(declare-var x (_ BitVec 8))
(constraint (=> (not (= x #x00)) (= (power x) (or (or (or (or (or (or (or (= x #x01) (= x #x02)) (= x #x04)) (= x #x08)) (= x #x10)) (= x #x20)) (= x #x40)) (= x #x80)))))
(check-synth)

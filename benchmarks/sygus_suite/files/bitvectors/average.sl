; The average of two bytes, rounded down, where the sum would not fit.
(set-logic BV)
(synth-fun mean ((x (_ BitVec 8)) (y (_ BitVec 8))) (_ BitVec 8)
  ((Word (_ BitVec 8)))
  ((Word (_ BitVec 8) (x y #x01 (bvnot Word) (bvneg Word) (bvand Word Word) (bvor Word Word) (bvxor Word Word) (bvadd Word Word) (bvlshr Word Word)))))
(declare-var x (_ BitVec 8))
(declare-var y (_ BitVec 8))
(constraint (= ((_ zero_extend 1) (mean x y)) (bvlshr (bvadd ((_ zero_extend 1) x) ((_ zero_extend 1) y)) #b000000001)))
(check-synth)

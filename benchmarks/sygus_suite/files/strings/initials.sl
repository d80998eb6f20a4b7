; The initials of a first and a last name.
(set-logic SLIA)
(synth-fun f ((first String) (last String)) String
  ((Text String) (Number Int))
  ((Text String (first last "." (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "Grace" "Hopper") "G.H."))
(constraint (= (f "Kurt" "G\u{f6}del") "K.G."))
(constraint (= (f "Emmy" "Noether") "E.N."))
(constraint (= (f "Alan" "Turing") "A.T."))
(constraint (= (f "Katherine" "Johnson") "K.J."))
(constraint (= (f "Li" "Wei") "L.W."))
(check-synth)

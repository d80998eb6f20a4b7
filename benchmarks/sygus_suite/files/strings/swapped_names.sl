; A registered name (last, first) the way it is spoken.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text ", " " " (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 2 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "Li, Wen") "Wen Li"))
(constraint (= (f "Okafor, Ada") "Ada Okafor"))
(constraint (= (f "Sand, Jo") "Jo Sand"))
(constraint (= (f "Ek, Maria") "Maria Ek"))
(constraint (= (f "Noether, Emmy") "Emmy Noether"))
(constraint (= (f "Byron, Ada") "Ada Byron"))
(check-synth)

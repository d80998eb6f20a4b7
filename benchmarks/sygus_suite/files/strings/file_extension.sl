; What stands behind the dot of a file's name.
(set-logic SLIA)
(synth-fun f ((text String)) String
  ((Text String) (Number Int))
  ((Text String (text "." (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "report.pdf") "pdf"))
(constraint (= (f "a.c") "c"))
(constraint (= (f "photo.jpeg") "jpeg"))
(constraint (= (f "notes.md") "md"))
(constraint (= (f "index.html") "html"))
(constraint (= (f "x.tar") "tar"))
(check-synth)

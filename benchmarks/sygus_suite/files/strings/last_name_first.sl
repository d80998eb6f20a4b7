; A full name the way a register lists it.
(set-logic SLIA)
(synth-fun f ((first String) (last String)) String
  ((Text String) (Number Int))
  ((Text String (first last ", " " " (str.++ Text Text) (str.at Text Number) (str.substr Text Number Number) (str.replace Text Text Text) (str.from_int Number)))
   (Number Int (0 1 (+ Number Number) (- Number Number) (str.len Text) (str.indexof Text Text Number) (str.to_int Text)))))
(constraint (= (f "Mary" "Jackson") "Jackson, Mary"))
(constraint (= (f "Ada" "Byron") "Byron, Ada"))
(constraint (= (f "Sofya" "Kovalevskaya") "Kovalevskaya, Sofya"))
(constraint (= (f "Wen" "Li") "Li, Wen"))
(constraint (= (f "Maria" "Ek") "Ek, Maria"))
(constraint (= (f "Jo" "Sand") "Sand, Jo"))
(check-synth)

; bracket_depth-surrogate/length=1
(set-logic QF_LIA)
(set-info :status unsat)
(declare-fun tok_0_0 () Bool)
(declare-fun tok_0_1 () Bool)
(declare-fun tok_0_2 () Bool)
(assert (let ((.def_0 (ite tok_0_1 1 0))) (let ((.def_1 (* (- 2) .def_0))) (let ((.def_2 (ite tok_0_0 1 0))) (let ((.def_3 (* 2 .def_2))) (let ((.def_4 (+ .def_3 .def_1 (- 3)))) (let ((.def_5 (< 0 .def_4))) (let ((.def_6 (- .def_2 .def_0))) (let ((.def_7 (<= 2 .def_6))) (let ((.def_8 (ite .def_7 1 0))) (let ((.def_9 (= .def_8 1))) (let ((.def_10 (and .def_9 .def_5))) (let ((.def_11 (< .def_4 0))) (let ((.def_12 (= .def_8 0))) (let ((.def_13 (and .def_12 .def_11))) (let ((.def_14 (or .def_13 .def_10))) (let ((.def_15 (not .def_14))) (let ((.def_16 (not tok_0_2))) (let ((.def_17 (=> tok_0_1 .def_16))) (let ((.def_18 (or tok_0_1 tok_0_2))) (let ((.def_19 (not .def_18))) (let ((.def_20 (=> tok_0_0 .def_19))) (let ((.def_21 (and .def_20 .def_17))) (let ((.def_22 (or tok_0_0 tok_0_1 tok_0_2))) (let ((.def_23 (and .def_22 .def_21))) (let ((.def_24 (and .def_23 .def_15))) .def_24))))))))))))))))))))))))))
(check-sat)

# The paper's tables and the studies around them: experiments/README.md.

SCALE   ?= small
RESULTS ?= outputs/studies
REPORT  ?= outputs/report

ABLATIONS := $(addprefix ablation-,encoding limbs sigma support topk input grouping)
TRAINED   := $(addprefix ablation-,loss flip limbs-trained sigma-trained support-trained)
STUDIES   := methods table1 table2 table3 upper-bound limb-choice speed $(ABLATIONS) $(TRAINED)
.PHONY: $(STUDIES) report
.NOTPARALLEL:  # two studies may need the same training

# An option of the runner from a variable, if it is set: $(call option,LIMIT,limit).
option  = $(if $($(1)),--$(2)='$($(1))')
OPTIONS = --scale=$(SCALE) $(if $(SEEDS),--seeds $(SEEDS)) $(call option,LIMIT,limit) $(call option,DATA,data) \
	$(call option,ANNOTATIONS,annotations) $(call option,RESULTS,results) $(call option,RUNS,runs) \
	$(call option,TRAIN,train) $(call option,EVALUATE,evaluate) $(call option,ORACLE,oracle)
# A target has the name of its study, with hyphens; two targets run several studies.
SEVERAL_speed   := speed codec train_step
SEVERAL_methods := methods_search methods methods_decoders methods_bound methods_speed
study   = $(or $(SEVERAL_$@),$(subst -,_,$(@:ablation-%=%)))
# With `make -n`, the runner is started (+) with --dry-run, so that it prints its commands.
DRY_RUN = $(if $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),--dry-run)

$(STUDIES): | $(INSTALLED)
	$(if $(wildcard $(BIN)/python),+)$(BIN)/python experiments/run.py $(study) $(OPTIONS) $(DRY_RUN)

methods:  ## Six grouping methods on equal terms (photographs: DATA=DIR)
table1:  ## Table 1: CenterNet and ours
table2:  ## Table 2: encoding and decoding
table3:  ## Table 3: other input sizes, on test-dev
upper-bound:  ## Sec. 3: the upper bound by the oracle
ablation-encoding:  ## Encodings of keypoints, by the oracle
ablation-limbs:  ## Limbs, by the oracle
ablation-sigma:  ## Spreads of the Gaussians, by the oracle
ablation-support:  ## Supports of the offsets, by the oracle
ablation-topk:  ## Candidates per keypoint type, by the oracle
ablation-input:  ## Long sides of the input, by the oracle
ablation-grouping:  ## Rules of grouping, by the oracle
limb-choice:  ## Limbs chosen from label statistics
ablation-loss:  ## Exponents of the focal loss, trained
ablation-sigma-trained:  ## Spreads of the Gaussians, trained
ablation-support-trained:  ## Supports of the offsets, trained
ablation-limbs-trained:  ## Limbs, trained
ablation-flip:  ## Flip testing
speed:  ## Speed of prediction, encoding, decoding and training

report: | $(INSTALLED)  ## Write all tables and plots from the results files
	$(BIN)/python experiments/report.py $(REPORT) $(RESULTS)

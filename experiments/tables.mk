# The paper's tables and the studies around them: one results file a cell, one process a cell. A cell whose file is there
# is finished; remove the file to run it again. What the cells are and what came out: experiments/README.md.

SCALE   ?= small
SEEDS   ?= 0
LIMIT   ?= 600
RESULTS ?= outputs/studies
RUNS    ?= outputs/runs
REPORT  ?= outputs/report
DATA    ?= $(if $(or $(filter full,$(SCALE)),$(wildcard data/coco/annotations)),data/coco,$(SYNTHETIC))
TRAIN   ?=
EVALUATE ?= $(if $(SMALL),,device=cuda)
ORACLE  ?=

SMALL  := $(if $(filter small,$(SCALE)),small_)
LAYOUT := $(if $(filter $(SYNTHETIC),$(DATA))$(wildcard $(DATA)/annotations/person_keypoints_train.json),folder,coco)
SPLIT  := $(if $(filter coco,$(LAYOUT)),val2017,val)
ANNOTATIONS ?= $(DATA)/annotations/person_keypoints_$(SPLIT).json
READY  := $(INSTALLED) $(if $(filter $(SYNTHETIC),$(DATA)),$(SCENES))

ifeq ($(filter small full,$(SCALE)),)
$(error SCALE=$(SCALE) is unknown: small is the CPU-sized counterpart, full the paper's)
endif

ABLATIONS := $(addprefix ablation-,encoding limbs sigma support topk input grouping)
TRAINED   := $(addprefix ablation-,loss flip limbs-trained sigma-trained support-trained)
.PHONY: table1 table2 table3 upper-bound $(ABLATIONS) $(TRAINED) limb-choice speed report
CHOSEN    := 19_chosen 19_chosen_short 31_chosen 31_chosen_short
.SECONDARY:  # keep what training leaves; and a finished cell needs it no more

# A cell is named VALUE-SEED, or VALUE-NOISE where the oracle answers.
value   = $(firstword $(subst -, ,$*))
ending  = $(lastword $(subst -, ,$*))
scratch = $(patsubst $(RESULTS)/%.json,$(RUNS)/%,$@)
cells   = $(foreach value,$(2),$(3:%=$(RESULTS)/$(1)/results/$(value)-%.json))
trained = $(call cells,$(1),$(2:%=$(SCALE)_%),$(SEEDS))
noisy   = $(call cells,$(1),$(2),none medium)

# Where images are: those of DATA; of held-out scenes for small networks that must have seen none of them; of test-dev.
IMAGES := data=$(LAYOUT) data.root=$(DATA)
SCENE  := data=folder data.root=$(SYNTHETIC)
UNSEEN := $(if $(SMALL),$(SCENE),$(IMAGES))
TEST   := $(if $(SMALL),$(SCENE),data=coco_test data.root=$(DATA))

train    = $(BIN)/gog-train experiment=$(1) seed=$(ending) $(2) hydra.run.dir=$(@D) $(call resume,$(@D)) $(TRAIN)
evaluate = $(BIN)/gog-evaluate experiment=$(SMALL)$(1) $(if $(<D),checkpoint=$(<D)/checkpoints/best.ckpt) $(2) \
	results=$@ output=$(scratch) hydra.run.dir=$(scratch) $(EVALUATE)
oracle   = $(BIN)/gog-oracle $(1) annotations=$(ANNOTATIONS) worst=0 results=$@ hydra.run.dir=$(scratch) $(ORACLE)
ablate   = $(call oracle,$(1) noise=$(ending) limit=$(LIMIT))

# A training leaves its folder; an interrupted one goes on.
$(RUNS)/small_table1_%/results.json: | $(INSTALLED) $(SCENES)
	$(call train,small_table1_$(value),$(SCENE))
$(RUNS)/%/results.json: | $(READY)
	$(call train,$(value),$(IMAGES))

# "Ours" of Tables 1 and 3; at full size it is that of Table 2.
OURS   := $(RUNS)/$(if $(SMALL),small_table1_ours1,table2_ours)
TABLE1 := $(RESULTS)/table1/results/$(SCALE)
table1: $(call trained,table1,centernet ours1 ours2 ours3)  ## Table 1: CenterNet and ours
$(TABLE1)_ours1-%.json: $(OURS)-%/results.json
	$(call evaluate,table1_ours1_plain,$(UNSEEN))
$(TABLE1)_ours2-%.json: $(OURS)-%/results.json
	$(call evaluate,table1_ours2_flip,$(UNSEEN))
$(TABLE1)_ours3-%.json: $(RUNS)/$(SMALL)table1_ours3_plus-%/results.json
	$(call evaluate,table1_ours3_plus_flip,$(UNSEEN))
# At full size it is CenterNet's public model, whose file the experiment names; at small size one trained like ours.
$(TABLE1)_centernet-%.json: $(if $(SMALL),$(RUNS)/small_table1_centernet-%/results.json) | $(READY)
	$(call evaluate,$(if $(SMALL),table1_ours2_flip,table1_centernet),$(UNSEEN))

# Table 2: four trainings; the other columns read the maps of the first in another way
TABLE2 := $(RESULTS)/table2/results/$(SCALE)
table2: $(call trained,table2,ours subpixel dark bilinear qnt qnt_ro ours_ro)  ## Table 2: encoding and decoding
$(TABLE2)_dark-%.json: $(RUNS)/$(SMALL)table2_ours-%/results.json
	$(call evaluate,table2_dark,$(IMAGES))
$(TABLE2)_bilinear-%.json: $(RUNS)/$(SMALL)table2_ours-%/results.json
	$(call evaluate,table2_bilinear,$(IMAGES))
$(TABLE2)_subpixel-%.json: $(RUNS)/$(SMALL)table2_ours-%/results.json
	$(call evaluate,table2_subpixel,$(IMAGES))
$(TABLE2)_%.json: $(RUNS)/$(SMALL)table2_%/results.json
	$(call evaluate,validation,$(IMAGES))

# Table 3: full size writes the archives that COCO's server takes
TABLE3 := $(RESULTS)/table3/results/$(SCALE)
table3: $(call trained,table3,640 768 fixed_height_640)  ## Table 3: other input sizes, on test-dev
$(TABLE3)_640-%.json: $(OURS)-%/results.json
	$(call evaluate,table3_640,$(TEST))
$(TABLE3)_768-%.json: $(OURS)-%/results.json
	$(call evaluate,table3_768,$(TEST))
$(TABLE3)_fixed_height_640-%.json: $(OURS)-%/results.json
	$(call evaluate,table3_fixed_height_640,$(TEST))

upper-bound: $(patsubst %,$(RESULTS)/upper_bound/results/%_default_all.json,19 44 44_stride1)  ## Sec. 3: flawless maps
$(RESULTS)/upper_bound/results/%_default_all.json: | $(READY)
	$(call oracle,experiment=upper_$*)

# Ablations by the oracle, on the first LIMIT images: flawless maps and maps disturbed as networks disturb them
ablation-encoding: $(call noisy,encoding,ours bilinear dark qnt qnt_ro ours_ro)  ## What keypoints are drawn and read as
$(RESULTS)/encoding/results/%.json: | $(READY)
	$(call ablate,encoding=$(value))
ablation-limbs: $(call noisy,limbs,16 19 31 39 44 $(CHOSEN))  ## Which limbs
$(RESULTS)/limbs/results/%.json: | $(READY)
	$(call ablate,skeleton=coco_$(value))
ablation-sigma: $(call noisy,sigma,3 5 7 9 11)  ## The Gaussians' spread, px
$(RESULTS)/sigma/results/%.json: | $(READY)
	$(call ablate,encoder.sigma=$(value))
ablation-support: $(call noisy,support,1 3 5 7 9 11)  ## The offsets' support, cells
$(RESULTS)/support/results/%.json: | $(READY)
	$(call ablate,encoder.support=$(value))
ablation-topk: $(call noisy,topk,8 16 32 64)  ## Candidates of a keypoint type
$(RESULTS)/topk/results/%.json: | $(READY)
	$(call ablate,decoder.topk=$(value))
ablation-input: $(call noisy,input,320 512 640 768)  ## Long side of the input, px
$(RESULTS)/input/results/%.json: | $(READY)
	$(call ablate,long_side=$(value))
# CenterNet's vectors must stand where a disturbed peak is, so its support is that of ours.
grouping_gog      := decoder=default
grouping_official := decoder=official
grouping_center   := encoding=center decoder=center encoder.support=7
$(RESULTS)/grouping/results/%.json: LIMIT := 150  # the public program's rules take a quarter of a second an image
ablation-grouping: $(call noisy,grouping,gog official center)  ## Ours, the public program's rules, CenterNet's
$(RESULTS)/grouping/results/%.json: | $(READY)
	$(call ablate,$(grouping_$(value)))

# Limbs chosen from the labels of the train split, judged on the val split; also without joining fragments by distance
limb-choice: $(call noisy,limb_choice,$(foreach limbs,19 31 44 $(CHOSEN),$(limbs) unjoined_$(limbs)))  ## Limbs chosen from label statistics
$(RESULTS)/limb_choice/results/unjoined_%.json: | $(READY)
	$(call oracle,skeleton=coco_$(value) decoder.reach=0 noise=$(ending))
$(RESULTS)/limb_choice/results/%.json: | $(READY)
	$(call oracle,skeleton=coco_$(value) noise=$(ending))

# Ablations that train
ablation-loss: $(call trained,loss,table2_ours gamma0 gamma2)  ## The focal loss's exponent, trained
ablation-sigma-trained: $(call trained,sigma_trained,table2_ours sigma5 sigma9)  ## Spreads, trained
ablation-support-trained: $(call trained,support_trained,table2_ours support3 support11)  ## Supports, trained
ablation-limbs-trained: $(call trained,limbs_trained,table2_ours limbs16 limbs44)  ## Limbs, trained
$(RESULTS)/loss/results/$(SCALE)_%.json: $(RUNS)/$(SMALL)%/results.json
	$(call evaluate,validation,$(IMAGES))
$(RESULTS)/sigma_trained/results/$(SCALE)_%.json: $(RUNS)/$(SMALL)%/results.json
	$(call evaluate,validation,$(IMAGES))
$(RESULTS)/support_trained/results/$(SCALE)_%.json: $(RUNS)/$(SMALL)%/results.json
	$(call evaluate,validation,$(IMAGES))
$(RESULTS)/limbs_trained/results/$(SCALE)_%.json: $(RUNS)/$(SMALL)%/results.json
	$(call evaluate,validation,$(IMAGES))
ablation-flip: $(call trained,flip,without with)  ## Looking at the mirror image, too
$(RESULTS)/flip/results/$(SCALE)_without-%.json: $(OURS)-%/results.json
	$(call evaluate,table1_ours1_plain,$(UNSEEN))
$(RESULTS)/flip/results/$(SCALE)_with-%.json: $(OURS)-%/results.json
	$(call evaluate,table1_ours2_flip,$(UNSEEN))

SPEED := $(RESULTS)/speed/results/$(SCALE).json
speed: $(SPEED) $(RESULTS)/codec/results/codec.json $(RESULTS)/train_step/results/train_step.json  ## What takes how long
$(SPEED): | $(INSTALLED)
	$(BIN)/gog-benchmark what=speed $(if $(SMALL),model=hourglass_small,device=cuda) results=$@ hydra.run.dir=$(scratch)
$(RESULTS)/codec/results/codec.json: | $(INSTALLED)
	$(BIN)/gog-benchmark what=codec results=$@ hydra.run.dir=$(scratch)
$(RESULTS)/train_step/results/train_step.json: | $(INSTALLED)
	$(BIN)/gog-benchmark what=train repeats=1 results=$@ hydra.run.dir=$(scratch)

report: | $(INSTALLED)  ## Draw all tables and plots from the results that are there
	$(BIN)/python experiments/report.py $(REPORT) $(RESULTS)

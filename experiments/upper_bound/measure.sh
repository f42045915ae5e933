#!/bin/sh
# Measures what README.md tabulates: sh experiments/upper_bound/measure.sh ANNOTATIONS [LIMIT]
# ANNOTATIONS is COCO's person_keypoints_val2017.json. Flawless maps are decoded of all images, disturbed ones of the
# first LIMIT (150). `official` takes a quarter of a second an image and core, ours a twentieth of that.
set -e
annotations=$1
limit=${2:-150}
results=$(dirname "$0")/results

bound() {  # NAME OVERRIDE...
    name=$1
    shift
    gog-oracle annotations="$annotations" results="$results/$name.json" hydra.run.dir="outputs/upper_bound/$name" "$@"
}

for limbs in 16 19 31 39 44; do
    bound "${limbs}_default_all" skeleton=coco_$limbs
    for noise in none light medium heavy; do
        for decoder in default official; do
            bound "${limbs}_${decoder}_${noise}" skeleton=coco_$limbs noise=$noise decoder=$decoder limit="$limit"
        done
    done
done
bound 44_stride1_default_all skeleton=coco_44 encoder.stride=1 multiple=1  # 16 times the cells

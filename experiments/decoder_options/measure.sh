#!/bin/sh
# Measures what README.md tabulates: sh experiments/decoder_options/measure.sh ANNOTATIONS [LIMIT]
# ANNOTATIONS is COCO's person_keypoints_val2017.json; the first LIMIT (300) images are decoded, each option changed alone.
set -e
annotations=$1
limit=${2:-300}
results=$(dirname "$0")/results

for skeleton in coco_19 coco_19_bidirectional coco_44; do
    for noise in none medium; do
        for option in default support=0 reach=0 complete=false min_keypoints=2 gate=40 gate_ratio=0 gate_ratio=1 \
                localiser=bicubic score=mean threshold=0.1; do
            name="${skeleton}_${noise}_$(echo $option | tr = -)"  # Hydra reads = in a value otherwise
            gog-oracle annotations="$annotations" skeleton=$skeleton noise=$noise limit="$limit" worst=0 \
                results="$results/$name.json" hydra.run.dir="outputs/decoder_options/$name" \
                $(test "$option" = default || echo "decoder.$option")
        done
    done
done

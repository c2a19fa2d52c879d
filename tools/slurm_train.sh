#!/bin/sh
# Run a training tool on a SLURM cluster, one process per GPU.
#
#   tools/slurm_train.sh PARTITION TOOL CONFIG [flags of the tool]
#   GPUS=16 tools/slurm_train.sh gpu tools/train_cls.py configs/classification/CONFIG.py
#
# Environment: GPUS, all together [8]; GPUS_PER_NODE, at most [8]; CPUS_PER_TASK [8];
# JOB_NAME [the config's]; SRUN_ARGS, more arguments for srun; PYTHON [python].
set -eu

if [ $# -lt 3 ]; then
    echo "error: PARTITION, TOOL and CONFIG are missing: $0: see the top of that file" >&2
    exit 2
fi
partition=$1 tool=$2 config=$3
shift 3
for file in "$tool" "$config"; do
    case $file in *::*) continue ;; esac # mmdet::PATH, which the tool finds
    if [ ! -f "$file" ]; then
        echo "error: no such file: $file: name it relative to $(pwd)" >&2
        exit 2
    fi
done

gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-8}
[ "$per_node" -le "$gpus" ] || per_node=$gpus

# shellcheck disable=SC2086  SRUN_ARGS is several words
exec srun --partition="$partition" --job-name="${JOB_NAME:-$(basename "$config" .py)}" \
    --ntasks="$gpus" --ntasks-per-node="$per_node" --gres=gpu:"$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-8}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$tool" "$config" --launcher slurm "$@"

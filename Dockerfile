# syntax=docker/dockerfile:1
# gog_pose with its commands, for CPUs:
#   docker build --tag gog_pose .
# for NVIDIA GPUs (PyPI's torch brings the CUDA libraries; the host needs the driver and the NVIDIA container toolkit):
#   docker build --tag gog_pose:cuda --build-arg TORCH_INDEX=https://pypi.org/simple .
# A prediction on the images of the current folder:
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" gog_pose gog-predict source=photo.jpg output=poses
# Training with loading processes needs shared memory: add --shm-size=8g, and --gpus all for CUDA.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/gog_pose
ENV PATH=/opt/gog_pose/bin:$PATH
WORKDIR /source
COPY requirements/lock.txt requirements/
# First and alone, since it is large and changes rarely. A build for CPUs, 2.x+cpu, goes before PyPI's 2.x.
RUN pip install --index-url "${TORCH_INDEX}" --extra-index-url https://pypi.org/simple \
        --constraint requirements/lock.txt torch
COPY . .
RUN pip install --constraint requirements/lock.txt '.[export]'

FROM python:${PYTHON}-slim-bookworm
COPY --from=build /opt/gog_pose /opt/gog_pose
# Caches of libraries go where any user may write.
ENV PATH=/opt/gog_pose/bin:$PATH \
    HOME=/tmp \
    NO_ALBUMENTATIONS_UPDATE=1
USER 1000:1000
WORKDIR /work
CMD ["gog-predict", "--help"]

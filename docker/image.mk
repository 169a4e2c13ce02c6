# The container image. ARCH=arm64, armhf, riscv64 ... cross-compiles it, and checks it under QEMU.
IMAGE ?= doorbell
ARCH ?=
.PHONY: image image-check

image:
	@docker/build $(IMAGE) $(ARCH)

image-check:
	@BUILD=$(BUILD) ARCH=$(ARCH) tests/image/check

################################################################################
#
# smena
#
################################################################################

# The commit of the tree that this folder is a part of. The crates of Cargo.lock
# are fetched together with it.
SMENA_TREE = $(realpath $(BR2_EXTERNAL_SMENA_PATH)/../..)
SMENA_VERSION = $(shell git -C $(SMENA_TREE) rev-parse HEAD)
SMENA_SITE = $(SMENA_TREE)
SMENA_SITE_METHOD = git
SMENA_LICENSE = Apache-2.0 or MIT
SMENA_LICENSE_FILES = LICENSE

SMENA_CARGO_ENV = SMENA_BOARD=$(call qstrip,$(BR2_PACKAGE_SMENA_BOARD))

SMENA_CONFIG = $(call qstrip,$(BR2_PACKAGE_SMENA_CONFIG))
ifneq ($(SMENA_CONFIG),)
define SMENA_INSTALL_CONFIG
	$(INSTALL) -D -m 0600 $(SMENA_CONFIG) $(TARGET_DIR)/etc/smena.ini
endef
endif

ifeq ($(BR2_PACKAGE_SMENA_INIT),y)
define SMENA_INSTALL_AS_INIT
	mkdir -p $(TARGET_DIR)/sbin
	ln -sf /usr/sbin/smena $(TARGET_DIR)/sbin/init
	ln -sf /usr/sbin/smena $(TARGET_DIR)/init
endef
endif

define SMENA_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 \
		$(@D)/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/smena \
		$(TARGET_DIR)/usr/sbin/smena
	$(SMENA_INSTALL_CONFIG)
	$(SMENA_INSTALL_AS_INIT)
endef

define SMENA_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/dist/smena.service \
		$(TARGET_DIR)/usr/lib/systemd/system/smena.service
endef

# Packets of interfaces, macvlans for virtual MAC addresses, a watchdog.
define SMENA_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_EPOLL)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SIGNALFD)
	$(call KCONFIG_ENABLE_OPT,CONFIG_TIMERFD)
	$(call KCONFIG_ENABLE_OPT,CONFIG_UNIX)
	$(call KCONFIG_ENABLE_OPT,CONFIG_INET)
	$(call KCONFIG_ENABLE_OPT,CONFIG_IP_MULTICAST)
	$(call KCONFIG_ENABLE_OPT,CONFIG_PACKET)
	$(call KCONFIG_ENABLE_OPT,CONFIG_MACVLAN)
	$(call KCONFIG_ENABLE_OPT,CONFIG_DEVTMPFS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_TMPFS)
endef

$(eval $(cargo-package))

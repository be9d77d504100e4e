include $(sort $(wildcard $(BR2_EXTERNAL_SMENA_PATH)/package/*/*.mk))

"""Constructors of the torch collections, and which of their networks are twins of MXNet's."""

from __future__ import annotations

from typing import Any

# MXNet network(s), then the torch networks it is paired with.
TWINS = """
mx-alexnet tv-alexnet
mx-vgg11 tv-vgg11 ptcv-vgg11
mx-vgg11_bn tv-vgg11_bn ptcv-bn_vgg11b
cv-resnet18_v1b tv-resnet18 timm-resnet18 ptcv-resnet18 hf-resnet18
cv-resnet34_v1b tv-resnet34 hf-resnet34
cv-resnet50_v1b tv-resnet50 timm-resnet50 ptcv-resnet50b hf-resnet50
cv-resnet50_v1c timm-resnet50c
cv-resnet50_v1d timm-resnet50d
cv-resnext50_32x4d tv-resnext50_32x4d timm-resnext50_32x4d
cv-se_resnext50_32x4d timm-seresnext50_32x4d ptcv-seresnext50_32x4d timm-legacy_seresnext50_32x4d
osmr-seresnet18 timm-legacy_seresnet18
osmr-seresnet50 timm-legacy_seresnet50
osmr-seresnet50b timm-seresnet50
mx-resnet18_v1 ptcv-resnet18 tv-resnet18 hf-resnet18
mx-resnet34_v1 timm-resnet34
mx-resnet50_v1 ptcv-resnet50
osmr-preresnet18 ptcv-preresnet18
osmr-preresnet50 ptcv-preresnet50
mx-densenet121 tv-densenet121 timm-densenet121 ptcv-densenet121 monai-densenet121
mx-densenet169 tv-densenet169
mx-squeezenet1.0 tv-squeezenet1_0 ptcv-squeezenet_v1_0
mx-squeezenet1.1 tv-squeezenet1_1
mx-mobilenetv2_1.0 ptcv-mobilenetv2_w1
cv-mobilenetv2_1.0 tv-mobilenet_v2 timm-mobilenetv2_100 hf-mobilenet_v2
mx-mobilenetv2_0.5 ptcv-mobilenetv2_wd2
cv-mobilenetv2_0.5 timm-mobilenetv2_050
mx-mobilenet1.0 ptcv-mobilenet_w1 hf-mobilenet_v1
mx-mobilenet0.5 ptcv-mobilenet_wd2 hf-mobilenet_v1_05
mx-inceptionv3 tv-inception_v3 timm-inception_v3 ptcv-inceptionv3
osmr-inceptionv4 timm-inception_v4
osmr-xception timm-legacy_xception
cv-mobilenetv3_large tv-mobilenet_v3_large timm-mobilenetv3_large_100
cv-mobilenetv3_small tv-mobilenet_v3_small timm-mobilenetv3_small_100
osmr-mobilenetv3_large_w1 tv-mobilenet_v3_large timm-mobilenetv3_large_100 ptcv-mobilenetv3_large_w1
osmr-mobilenetv3_small_w1 tv-mobilenet_v3_small
osmr-shufflenetv2b_w1 tv-shufflenet_v2_x1_0 ptcv-shufflenetv2b_w1
osmr-shufflenetv2b_wd2 tv-shufflenet_v2_x0_5
osmr-shufflenetv2_w1 ptcv-shufflenetv2_w1
osmr-mnasnet_a1 timm-semnasnet_100 ptcv-mnasnet_a1
osmr-mnasnet_b1 tv-mnasnet1_0 timm-mnasnet_100
osmr-efficientnet_b0 tv-efficientnet_b0 timm-efficientnet_b0 ptcv-efficientnet_b0 monai-efficientnet_b0
osmr-efficientnet_b0b timm-tf_efficientnet_b0 hf-efficientnet_b0
osmr-regnetx002 timm-regnetx_002 ptcv-regnetx002 hf-regnetx002
osmr-regnetx004 tv-regnet_x_400mf timm-regnetx_004
osmr-regnety002 timm-regnety_002 ptcv-regnety002 hf-regnety002
osmr-regnety004 tv-regnet_y_400mf
cv-hrnet_w18_small_v1_c timm-hrnet_w18_small ptcv-hrnet_w18_small_v1
cv-hrnet_w18_small_v2_c timm-hrnet_w18_small_v2
osmr-hrnet_w18_small_v1 timm-hrnet_w18_small ptcv-hrnet_w18_small_v1
cv-dla34 timm-dla34
osmr-dla34 timm-dla34 ptcv-dla34
osmr-dpn68 timm-dpn68 ptcv-dpn68
cv-darknet53 ptcv-darknet53 timm-darknet53
osmr-ghostnet timm-ghostnet_100 ptcv-ghostnet
osmr-mixnet_s timm-mixnet_s ptcv-mixnet_s
osmr-selecsls42b timm-selecsls42b ptcv-selecsls42b
osmr-res2net50_w26_s8 timm-res2net50_26w_8s
cv-resnest50 timm-resnest50d
cv-resnest14 timm-resnest14d
osmr-sknet50 ptcv-sknet50
osmr-hardnet39ds ptcv-hardnet39ds
osmr-vovnet27s ptcv-vovnet27s
osmr-vovnet39 ptcv-vovnet39
osmr-peleenet ptcv-peleenet
osmr-bagnet9 ptcv-bagnet9
osmr-igcv3_w1 ptcv-igcv3_w1
osmr-diaresnet10 ptcv-diaresnet10
osmr-cbam_resnet18 ptcv-cbam_resnet18
osmr-bam_resnet18 ptcv-bam_resnet18
osmr-shufflenet_g3_w1 ptcv-shufflenet_g3_w1
osmr-sqnxt23_w1 ptcv-sqnxt23_w1
osmr-resnet20_cifar10 ptcv-resnet20_cifar10
osmr-nin_cifar10 ptcv-nin_cifar10
osmr-resnesta18 ptcv-resnesta18
osmr-ibn_resnet50 ptcv-ibn_resnet50
osmr-spnasnet timm-spnasnet_100
osmr-fbnet_cb timm-fbnetc_100
own-vit hf-vit
own-bert hf-bert
own-distil hf-distilbert
own-electra hf-electra
own-roberta hf-roberta
own-convnext hf-convnext timm-convnext
own-mixer timm-mixer
"""

# Pairs of different networks whose names are alike.
NEAR = """
mx-resnet34_v1 tv-resnet18
cv-resnet34_v1b tv-resnet50
mx-vgg16 tv-vgg11
mx-densenet121 tv-densenet169
mx-mobilenetv2_1.0 ptcv-mobilenetv2_wd2
mx-squeezenet1.0 tv-squeezenet1_1
cv-resnext50_32x4d timm-resnet50
cv-mobilenetv3_small tv-mobilenet_v3_large
"""

VOCABULARY = 300


def pairs(table: str = TWINS) -> list[tuple[str, str]]:
    lines = [line.split() for line in table.strip().split("\n")]
    return [(line[0], other) for line in lines for other in line[1:]]


def names() -> list[str]:
    """Return the torch networks of all pairs."""
    return sorted({source for _, source in [*pairs(), *pairs(NEAR)]})


def network(name: str) -> tuple[Any, tuple[int, ...], int]:
    """Return the network, the shape of its input and, if it reads tokens, how many there are."""
    collection, model = name.split("-", 1)
    net = BUILDERS[collection](model)
    size = 299 if any(part in model for part in ("inception", "xception")) else 32 if "cifar" in model else 224
    if collection == "hf" and any(part in model for part in ("bert", "electra")):
        return net, (2, 7), VOCABULARY
    if model in {"vit", "convnext", "mixer"}:
        size = 32
    return net, (1, 3, size, size), 0


def _torchvision(model: str) -> Any:
    import torch

    # The package may be made for another build of torch; its compiled operators are not needed here.
    if not hasattr(_torchvision, "library"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _torchvision.library = library  # type: ignore[attr-defined] - it lives as long as its definitions are needed
    import torchvision

    more = {"aux_logits": False, "transform_input": False} if model in {"inception_v3", "googlenet"} else {}
    return torchvision.models.get_model(model, weights=None, **({**more, "init_weights": False} if more else {}))


def _timm(model: str) -> Any:
    _torchvision("alexnet")
    import timm

    if model == "convnext":
        return timm.models.convnext.ConvNeXt(depths=(2, 2, 3, 2), dims=(16, 32, 64, 96), num_classes=10)
    if model == "mixer":
        return timm.models.mlp_mixer.MlpMixer(10, 32, 3, 8, num_blocks=3, embed_dim=32)
    return timm.create_model(model, pretrained=False)


def _pytorchcv(model: str) -> Any:
    _torchvision("alexnet")
    from pytorchcv.model_provider import get_model

    return get_model(model, pretrained=False)


def _monai(model: str) -> Any:
    from monai.networks import nets

    if model == "densenet121":
        return nets.DenseNet121(spatial_dims=2, in_channels=3, out_channels=1000)
    return nets.EfficientNetBN("efficientnet-b0", pretrained=False, num_classes=1000)


def _transformers(model: str) -> Any:
    import transformers as hf

    stages = {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3], "resnet50": [3, 4, 6, 3]}
    if model in stages:
        kind = "bottleneck" if model == "resnet50" else "basic"
        widths = [64, 128, 256, 512] if kind == "basic" else [256, 512, 1024, 2048]
        config = hf.ResNetConfig(depths=stages[model], hidden_sizes=widths, layer_type=kind, num_labels=1000)
        return hf.ResNetForImageClassification(config)
    if model.startswith("regnet"):
        sizes = {"depths": [1, 1, 4, 7], "hidden_sizes": [24, 56, 152, 368], "groups_width": 8}
        return hf.RegNetForImageClassification(hf.RegNetConfig(**sizes, layer_type=model[6], num_labels=1000))
    if model.startswith("mobilenet_v1"):
        depth = 0.5 if model.endswith("05") else 1.0
        config = hf.MobileNetV1Config(depth_multiplier=depth, tf_padding=False, hidden_act="relu", num_labels=1000)
        return hf.MobileNetV1ForImageClassification(config)
    if model == "mobilenet_v2":
        return hf.MobileNetV2ForImageClassification(hf.MobileNetV2Config(tf_padding=False, num_labels=1000))
    if model == "efficientnet_b0":
        scale = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "image_size": 224, "hidden_dim": 1280}
        return hf.EfficientNetForImageClassification(hf.EfficientNetConfig(**scale, num_labels=1000))
    if model == "convnext":
        sizes = {"depths": [2, 2, 3, 2], "hidden_sizes": [16, 32, 64, 96]}
        return hf.ConvNextForImageClassification(hf.ConvNextConfig(**sizes, num_labels=10))
    return _transformer(hf, model)


def _transformer(hf: Any, model: str) -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    if model == "vit":
        return hf.ViTModel(hf.ViTConfig(**sizes, image_size=32, patch_size=8), add_pooling_layer=False)
    if model == "distilbert":
        sizes = {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 64}
        config = hf.DistilBertConfig(**sizes, vocab_size=VOCABULARY, max_position_embeddings=40)
        return hf.DistilBertModel(config)
    sizes.update({"vocab_size": VOCABULARY, "max_position_embeddings": 40, "attn_implementation": "eager"})
    if model == "bert":
        return hf.BertModel(hf.BertConfig(**sizes))
    if model == "electra":
        return hf.ElectraModel(hf.ElectraConfig(**sizes, embedding_size=16))
    return hf.RobertaModel(hf.RobertaConfig(**sizes, pad_token_id=0), add_pooling_layer=False)


BUILDERS = {"tv": _torchvision, "timm": _timm, "ptcv": _pytorchcv, "monai": _monai, "hf": _transformers}

"""Which pairs of networks the corpus is made of."""

from __future__ import annotations

import torch_zoos

MODEL_ZOO = """
resnet18_v1 cv-resnet18_v1 osmr-resnet18
resnet34_v1 cv-resnet34_v1 osmr-resnet34
resnet50_v1 cv-resnet50_v1
resnet18_v2 cv-resnet18_v2
resnet34_v2 cv-resnet34_v2
resnet50_v2 cv-resnet50_v2
squeezenet1.0 cv-squeezenet1.0 osmr-squeezenet_v1_0
squeezenet1.1 cv-squeezenet1.1 osmr-squeezenet_v1_1
densenet121 cv-densenet121 osmr-densenet121
densenet169 osmr-densenet169
mobilenet1.0 cv-mobilenet1.0 osmr-mobilenet_w1
mobilenet0.75 cv-mobilenet0.75 osmr-mobilenet_w3d4
mobilenet0.5 osmr-mobilenet_wd2
mobilenet0.25 cv-mobilenet0.25 osmr-mobilenet_wd4
mobilenetv2_1.0 osmr-mobilenetv2_w1
mobilenetv2_0.75 osmr-mobilenetv2_w3d4
mobilenetv2_0.5 osmr-mobilenetv2_wd2
mobilenetv2_0.25 osmr-mobilenetv2_wd4
inceptionv3 cv-inceptionv3 osmr-inceptionv3
alexnet cv-alexnet
vgg11 osmr-vgg11
vgg13 cv-vgg13
vgg16 osmr-vgg16
vgg11_bn osmr-bn_vgg11b
vgg16_bn cv-vgg16_bn osmr-bn_vgg16b
"""

GLUONCV = """
resnet18_v1b resnet18
resnet34_v1b resnet34
resnet50_v1b resnet50b
resnet50_v1d resneta50b
resnext50_32x4d resnext50_32x4d
se_resnext50_32x4d seresnext50_32x4d
mobilenetv3_large mobilenetv3_large_w1
mobilenetv3_small mobilenetv3_small_w1
hrnet_w18_small_v1_c hrnet_w18_small_v1
hrnet_w18_small_v2_c hrnet_w18_small_v2
hrnet_w18_c hrnetv2_w18
resnest50 resnesta50
darknet53 darknet53
residualattentionnet56 resattnet56
vgg19 vgg19
mobilenetv2_1.0 mobilenetv2b_w1
mobilenetv2_0.5 mobilenetv2b_wd2
densenet161 densenet161
"""


def across() -> list[tuple[str, str]]:
    """Return pairs of one architecture in two MXNet collections."""
    pairs = []
    for line in MODEL_ZOO.split("\n"):
        first, *others = line.split() or [""]
        pairs += [("mx-" + first, other) for other in others]
        if len(others) == 2:
            pairs.append((others[0], others[1]))
    pairs += [("cv-" + line.split()[0], "osmr-" + line.split()[1]) for line in GLUONCV.strip().split("\n")]
    return pairs


def traps() -> list[tuple[str, str]]:
    """Return pairs of variants of one trap."""
    import synthetic

    twin = {"commuted2": "commuted", "pointwise2": "pointwise"}
    return [(f"syn-{trap}_g", f"syn-{twin.get(trap, trap)}_{variant}") for trap in synthetic.TRAPS for variant in "hi"]


ITSELF = [
    *("mx-resnet18_v1", "mx-resnet50_v2", "mx-squeezenet1.1", "mx-densenet121", "mx-mobilenetv2_0.5", "mx-inceptionv3"),
    *("cv-hrnet_w18_small_v1_c", "cv-se_resnet50_v1", "cv-mobilenetv3_small", "cv-resnest50", "cv-googlenet"),
    *(
        "osmr-shufflenetv2b_w1",
        "osmr-peleenet",
        "osmr-efficientnet_b0",
        "osmr-regnetx002",
        "osmr-dla34",
        "osmr-vovnet27s",
    ),
    *(
        "osmr-mixnet_s",
        "osmr-ghostnet",
        "osmr-sknet50",
        "osmr-dpn68",
        "osmr-darknet19",
        "osmr-hardnet39ds",
        "osmr-resnet10",
    ),
    *("osmr-inceptionv4", "osmr-xception", "osmr-igcv3_w1", "osmr-mnasnet_a1", "osmr-bagnet9", "osmr-sqnxt23_w1"),
]

NEAR = [
    ("mx-resnet18_v1", "mx-resnet34_v1"),
    ("mx-resnet34_v1", "cv-resnet18_v1b"),
    ("mx-vgg16", "mx-vgg19"),
    ("mx-vgg11_bn", "mx-vgg13_bn"),
    ("mx-resnet50_v1", "mx-resnet50_v2"),
    ("mx-resnet18_v1", "mx-resnet18_v2"),
    ("mx-densenet121", "mx-densenet169"),
    ("mx-mobilenet1.0", "mx-mobilenet0.75"),
    ("mx-mobilenetv2_1.0", "osmr-mobilenetv2_w3d4"),
    ("mx-squeezenet1.0", "mx-squeezenet1.1"),
    ("osmr-resnet50", "osmr-resnext50_32x4d"),
    ("cv-hrnet_w18_small_v1_c", "osmr-hrnet_w18_small_v2"),
    ("osmr-shufflenetv2_w1", "osmr-shufflenetv2_wd2"),
    ("cv-mobilenetv3_large", "osmr-mobilenetv3_small_w1"),
    ("osmr-efficientnet_b0", "osmr-efficientnet_b1"),
    ("cv-cifar_resnet20_v1", "osmr-resnet56_cifar10"),
    *torch_zoos.pairs(torch_zoos.NEAR),
]

FAR = [
    ("mx-squeezenet1.1", "mx-resnet18_v1"),
    ("mx-vgg11", "mx-densenet121"),
    ("mx-mobilenet1.0", "osmr-resnet18"),
    ("osmr-shufflenetv2b_w1", "mx-inceptionv3"),
    ("cv-googlenet", "mx-mobilenetv2_1.0"),
    ("osmr-regnetx002", "osmr-peleenet"),
    ("syn-square_g", "syn-unet_h"),
    ("syn-transformer_g", "syn-lstm_h"),
    ("mx-alexnet", "osmr-darknet19"),
    ("cv-hrnet_w18_small_v1_c", "mx-densenet121"),
]


CLASSICAL = """
own-mlp sym-mlp
own-lenet sym-lenet
own-autoencoder sym-autoencoder
mx-resnet18_v2 sym-resnet18
cv-resnet34_v2 sym-resnet34
mx-resnet50_v2 sym-resnet50
mx-resnet101_v2 sym-resnet101
mx-resnet18_v1 sym-caffe18
osmr-resnet34 sym-caffe34
osmr-resnet50 sym-caffe50
osmr-resnet101 sym-caffe101
mx-densenet121 sym-densenet121
mx-mobilenet1.0 sym-mobilenet
osmr-mobilenet_wd2 sym-mobilenet05
mx-squeezenet1.1 sym-squeezenet
mx-vgg11 sym-vgg11
osmr-vgg16 sym-vgg16
"""


def classical() -> list[tuple[str, str]]:
    """Return pairs of a Gluon network and the symbol it was once written as."""
    return [(first, second) for first, second in (line.split() for line in CLASSICAL.strip().split("\n"))]


def torch_named() -> list[tuple[str, str]]:
    """Return pairs of an MXNet network and a torch network of the same architecture."""
    return torch_zoos.pairs()

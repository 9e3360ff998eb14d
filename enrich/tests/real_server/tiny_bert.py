"""A Sentence-BERT model with random weights, its tokenizer trained on the spot: python tiny_bert.py FOLDER [--minilm]

Nothing is downloaded. With --minilm it has the shape of all-MiniLM-L6-v2, and 7,050 made-up titles of 8 to 28 words lie
beside it in titles.txt: enough to measure speed and agreement, though not what real weights would find.
"""

import json
import random
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel

PARTS = "ba by so ft wo od en ra tt le co ton bla nk et ro und str ip ed gre ti ny lar ge tra vel cr ib st er di ap ers bot an".split()


def titles(n, seed):
    draw = random.Random(seed)
    word = lambda: "".join(draw.choices(PARTS, k=draw.randint(1, 3)))
    return [" ".join(word() for _ in range(draw.randint(8, 28))) for _ in range(n)]


def tokenizer(size, corpus):
    found = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    found.normalizer = normalizers.BertNormalizer(lowercase=True)
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    alphabet = list("abcdefghijklmnopqrstuvwxyz0123456789.,!'&-")
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet)
    found.train_from_iterator(corpus, trainer)
    ids = [(token, found.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    return found


def main(folder, is_minilm):
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    n_tokens, width, n_layers, n_heads = (30522, 384, 6, 12) if is_minilm else (400, 64, 2, 4)
    vocabulary = tokenizer(n_tokens, titles(20000 if is_minilm else 500, 0))
    vocabulary.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=n_tokens, hidden_size=width, num_hidden_layers=n_layers, num_attention_heads=n_heads, intermediate_size=4 * width
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    special = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
    for name, value in {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True},
        "tokenizer_config.json": {
            "tokenizer_class": "BertTokenizer", "model_max_length": 256, **{f"{key}_token": token for key, token in special.items()}
        },
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(value))
    if is_minilm:
        (folder / "titles.txt").write_text("\n".join(titles(7050, 1)) + "\n")


main(Path(sys.argv[1]), "--minilm" in sys.argv)

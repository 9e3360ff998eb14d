"""Serves a model of tiny_vlm.py at /v1/embeddings, in the messages form of vLLM: python embedding_server.py FOLDER PORT

A vector is the last hidden state of the message's last token, of length one.
"""

import base64
import io
import sys

import torch
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder, port = sys.argv[1], int(sys.argv[2])
model = AutoModelForImageTextToText.from_pretrained(folder).eval()
processor = AutoProcessor.from_pretrained(folder)
app = FastAPI()


@app.get("/v1/models")
def models():
    return {"object": "list", "data": [{"id": folder, "object": "model"}]}


@app.post("/v1/embeddings")
async def embed(request: Request):
    body = await request.json()
    if body.get("encoding_format", "float") != "float" or "messages" not in body:
        raise HTTPException(400, "messages and floats are what this server knows")
    parts = [part for message in body["messages"] for part in message["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGB") for url in urls]
    text = processor.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
    inputs = processor(text=text, images=pictures or None, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs, output_hidden_states=True).hidden_states[-1][0, -1]
    vector = torch.nn.functional.normalize(hidden.float(), dim=0).tolist()
    n_tokens = inputs["input_ids"].shape[1]
    usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    return {"object": "list", "model": body["model"], "data": data, "usage": usage}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="info")

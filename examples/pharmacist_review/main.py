"""Serve the pharmacy at http://127.0.0.1:8126."""

import os

import uvicorn
from app import create_app, new_desk

if __name__ == "__main__":
    uvicorn.run(create_app(new_desk()), port=int(os.environ.get("PORT", "8126")))

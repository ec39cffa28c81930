"""An MCP server in plain lines of JSON-RPC whose tools ask AWS by boto3, as it finds its way from the environment alone."""

import json
import os
import sys

import boto3
from botocore.config import Config


def client(service):
    return boto3.client(service, config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}))


TOOLS = {
    "get_object": lambda a: client("s3").get_object(Bucket=a["bucket"], Key=a["key"])["Body"].read().decode(),
    # What another tool's name promises, a server may still try.
    "get_other_object": lambda a: client("s3").get_object(Bucket=a["bucket"], Key="other.txt")["Body"].read().decode(),
    "put_object": lambda a: str(client("s3").put_object(Bucket=a["bucket"], Key=a["key"], Body=a["text"].encode())["ETag"]),
    "get_item": lambda a: client("dynamodb").get_item(TableName=a["table"], Key={"id": {"S": a["id"]}})["Item"]["name"]["S"],
    "get_parameter": lambda a: client("ssm").get_parameter(Name=a["name"])["Parameter"]["Value"],
    "environment": lambda a: json.dumps(dict(os.environ)),
}


def call(name, arguments):
    try:
        return {"content": [{"type": "text", "text": TOOLS[name](arguments)}]}
    except Exception as error:
        return {"isError": True, "content": [{"type": "text", "text": f"{type(error).__name__}: {error}"}]}


def result(method, params):
    if method == "initialize":
        server = {"name": "boto", "version": "1.0.0"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": server}
    if method == "tools/list":
        return {"tools": [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    if method == "tools/call":
        return call(params["name"], params.get("arguments", {}))
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result(message.get("method"), message.get("params"))}
        print(json.dumps(answer), flush=True)

"""The official Python client on `runstate mcp`: the tools, a program with a question, and tasks. Prints `ok` at the end."""

import asyncio
import sys

import jsonschema
import mcp_types as types
from mcp import Client, StdioServerParameters

GREET = 'function main() { const name = CC("Who is there?"); return { name }; }'


def server(cwd, *args):
    command, store = sys.argv[1], "file:store"
    return StdioServerParameters(command=command, args=["mcp", "--store", store, *args], cwd=cwd)


async def tool(client, name, arguments):
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result
    return result.structured_content


async def answers(cwd, mode):
    async with Client(server(cwd), mode=mode) as client:
        print(mode, client.protocol_version, client.server_capabilities.tasks)
        tools = (await client.list_tools()).tools
        assert {"load", "start", "answer", "wait", "search", "call"} <= {one.name for one in tools}
        for one in tools:
            jsonschema.Draft202012Validator.check_schema(one.input_schema)
        await tool(client, "load", {"name": "greet", "source": GREET})
        turn = await tool(client, "start", {"program": "greet"})
        assert turn["questions"][0]["prompt"] == "Who is there?", turn
        turn = await tool(client, "answer", {"id": turn["id"], "answer": "Ada"})
        assert turn["result"] == {"name": "Ada"}, turn
        assert (await client.list_resources()).resources


async def tasks(cwd):
    """Tasks are of version 2025-11-25, which the older handshake agrees on. This client creates none: it takes only the
    result of a tool for an answer to the call."""
    async with Client(server(cwd), mode="legacy") as client:
        assert client.server_capabilities.tasks.requests.tools.call is not None
        task_id = (await tool(client, "start", {"program": "greet"}))["id"]
    # The store has the task, so another server answers for it.
    async with Client(server(cwd), mode="legacy") as client:
        get = types.GetTaskRequest(params=types.GetTaskRequestParams(task_id=task_id))
        task = await client.session.send_request(get, types.GetTaskResult)
        assert (task.status, task.status_message) == ("input_required", "Who is there?"), task
        listed = await client.session.send_request(types.ListTasksRequest(), types.ListTasksResult)
        assert task_id in [task.task_id for task in listed.tasks], listed
        await tool(client, "answer", {"id": task_id, "answer": "Ada"})
        payload = types.GetTaskPayloadRequest(params=types.GetTaskPayloadRequestParams(task_id=task_id))
        result = await client.session.send_request(payload, types.CallToolResult)
        assert result.structured_content["result"] == {"name": "Ada"}, result


async def main():
    cwd = sys.argv[2]
    for mode in ["auto", "legacy"]:
        await answers(cwd, mode)
    await tasks(cwd)
    print("ok")


asyncio.run(main())

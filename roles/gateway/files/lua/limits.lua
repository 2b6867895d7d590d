-- Copyright: (c) 2026, jetson.thor contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- How much a client may ask for. The figures are in memory that all workers share and that outlives a reload.

local bodies = require "bodies"
local ffi = require "ffi"

ffi.cdef "int kill(int process, int signal);"

local windows, active, refused = ngx.shared.gateway_windows, ngx.shared.gateway_active, ngx.shared.gateway_refused
local reserved = ngx.shared.gateway_reserved
local MINUTE = 60
local WRONG_KEYS_PER_MINUTE = 10
local PATIENCE = 0.1 -- seconds: an answer that has just ended may still hold its place
local TRIES_FOR_ROOM = 20 -- with PATIENCE in between: most bodies in chunks are small, and give their room back once they have arrived
local PAGE = 4096 -- a file in memory has whole pages

local _M = {}

-- Counts a request against so many in any minute. Returns nil, or the seconds after which there is room again. The minute before
-- counts by the part of it that the last sixty seconds still cover.
local function count(dictionary, name, limit)
    local now = ngx.now()
    local minute = math.floor(now / MINUTE)
    local elapsed = now - minute * MINUTE
    local before = dictionary:get(name .. " " .. (minute - 1)) or 0
    local key = name .. " " .. minute
    local current = (dictionary:incr(key, 1, 0, 2 * MINUTE) or 1)
    if before * (1 - elapsed / MINUTE) + current <= limit then return nil end
    dictionary:incr(key, -1)
    current = current - 1
    if current < limit then return MINUTE - (limit - 1 - current) * MINUTE / before - elapsed end
    return MINUTE - elapsed + MINUTE - (limit - 1) * MINUTE / current
end

-- Nil, or the seconds after which a client may send its next request.
function _M.too_fast(client)
    return client.requests_per_minute and count(windows, client.name, client.requests_per_minute)
end

-- Nil, or the seconds after which an address may try another key. Only wrong keys are counted.
function _M.wrong_key(address)
    return count(refused, address, WRONG_KEYS_PER_MINUTE)
end

-- Remembers that a client has come from an address, for a day.
function _M.welcome(address, client)
    refused:set(address .. " as " .. client.name, true, 24 * 60 * MINUTE)
end

-- Whether a key from this address is accepted although many wrong ones came from there: only if it was used there before. So nobody
-- learns by trying whether a key is right, and others behind the same router are not locked out.
function _M.is_welcome(address, client)
    if refused:get(address .. " as " .. client.name) then return true end
    local now = ngx.now()
    local minute = math.floor(now / MINUTE)
    local before = refused:get(address .. " " .. (minute - 1)) or 0
    local current = refused:get(address .. " " .. minute) or 0
    -- Exactly where a wrong key would still get 401 (count): otherwise a right one would answer differently.
    return before * (1 - (now - minute * MINUTE) / MINUTE) + current + 1 <= WRONG_KEYS_PER_MINUTE
end

-- What a client has in all workers, or what all clients have. Keys are the client's name and the worker's number.
local function sum(dictionary, name)
    local found = 0
    for _, key in ipairs(dictionary:get_keys(0)) do
        if not name or key:match "^%S+" == name then found = found + (dictionary:get(key) or 0) end
    end
    return found
end

-- The number of requests being answered by client.
function _M.all_active()
    local sums = {}
    for _, key in ipairs(active:get_keys(0)) do
        local name = key:match "^%S+"
        sums[name] = (sums[name] or 0) + (active:get(key) or 0)
    end
    return sums
end

-- Takes one of the client's places, if there is one.
function _M.enter(client)
    local key = client.name .. " " .. ngx.worker.pid()
    for attempt = 1, 2 do
        active:incr(key, 1, 0)
        if not client.concurrency or sum(active, client.name) <= client.concurrency then return true end
        active:incr(key, -1)
        if attempt == 1 then ngx.sleep(PATIENCE) end
    end
    return false
end

-- Gives the place back.
function _M.leave(name)
    active:incr(name .. " " .. ngx.worker.pid(), -1)
end

-- What a file of so many bytes takes of memory.
local function whole_pages(bytes)
    return math.ceil(bytes / PAGE) * PAGE
end

-- Reserves memory for a body that nginx puts into a file; a small one needs none. Returns its bytes, or nil if there is not enough left.
-- One client has at most half, so that it cannot keep the others out. The length of a body in chunks is not known yet.
function _M.reserve(client, length)
    if length and length <= bodies.buffered then return 0 end
    local key = client.name .. " " .. ngx.worker.pid()
    local bytes = whole_pages(length or bodies.largest)
    for attempt = 1, TRIES_FOR_ROOM do
        reserved:incr(key, bytes, 0)
        if sum(reserved) <= bodies.memory and sum(reserved, client.name) <= bodies.of_one_client then return bytes end
        reserved:incr(key, -bytes)
        if attempt < TRIES_FOR_ROOM then ngx.sleep(PATIENCE) end
    end
end

-- Keeps what a body in chunks has turned out to need of its reserved memory, and returns it.
function _M.settle(client, bytes, received)
    local needed = math.min(bytes, whole_pages(received))
    _M.release(client.name, bytes - needed)
    return needed
end

-- Gives reserved memory back.
function _M.release(name, bytes)
    reserved:incr(name .. " " .. ngx.worker.pid(), -bytes)
end

-- Frees what workers that were killed had; what workers have that still finish their streams after a reload stays.
function _M.forget_dead_workers()
    local own = ngx.worker.pid()
    for _, dictionary in ipairs { active, reserved } do
        for _, key in ipairs(dictionary:get_keys(0)) do
            local pid = tonumber(key:match "%d+$")
            if pid == own or ffi.C.kill(pid, 0) ~= 0 then dictionary:delete(key) end
        end
    end
end

return _M

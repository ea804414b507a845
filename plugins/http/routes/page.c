/* SPDX-License-Identifier: MIT
 *
 * The page at "/" as long as no folder of pages is configured: what there is, and a sign of life.
 * Nothing is inline and nothing comes from elsewhere, so the strict policy holds for it, too.
 */
#include <string.h>

#include "../http.h"

const char page_text[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>meshkern</title>\n"
    "<link rel=\"stylesheet\" href=\"/start.css\">\n"
    "<h1>meshkern</h1>\n"
    "<p id=\"state\" role=\"status\">Connecting&hellip;</p>\n"
    "<table><caption>Messages seen by this page</caption><tbody id=\"topics\"></tbody></table>\n"
    "<table><caption>What can be asked for</caption><tbody id=\"routes\"></tbody></table>\n"
    "<noscript><p>See <a href=\"/api/routes\">/api/routes</a>.</p></noscript>\n"
    "<script src=\"/start.js\" defer></script>\n"
    "</html>\n";

static const char page_style[] =
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\n"
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem}\n"
    "table{border-collapse:collapse;width:100%;margin:1.5rem 0}\n"
    "caption{text-align:left;font-weight:600}\n"
    "td{padding:.15rem .75rem .15rem 0;border-bottom:1px solid #8884;vertical-align:top}\n"
    "td.number{text-align:right;font-variant-numeric:tabular-nums}\n";

static const char page_script[] =
    "'use strict';\n"
    "const $ = (id) => document.getElementById(id);\n"
    "const row = (table, cells) => {\n"
    "  const tr = table.insertRow();\n"
    "  for (const cell of cells) tr.insertCell().append(cell);\n"
    "  return tr;\n"
    "};\n"
    "const link = (route) => {\n"
    "  if (route.method !== 'GET' || route.path.includes('{')) return route.path;\n"
    "  const a = document.createElement('a');\n"
    "  a.href = route.path;\n"
    "  a.textContent = route.path;\n"
    "  return a;\n"
    "};\n"
    "fetch('/api/routes').then((answer) => answer.json()).then(({ routes }) => {\n"
    "  for (const r of routes)\n"
    "    row($('routes'), [r.method, link(r), r.summary + (r.key ? ' (API key)' : '')]);\n"
    "});\n"
    "const topics = new Map();\n"
    "let shown = 0;\n"
    "const show = () => {\n"
    "  shown = 0;\n"
    "  for (const [name, t] of topics) {\n"
    "    if (!t.cell) {\n"
    "      const tr = row($('topics'), [name, '', '']);\n"
    "      t.cell = tr.cells[1];\n"
    "      t.last = tr.cells[2];\n"
    "      t.cell.className = 'number';\n"
    "    }\n"
    "    t.cell.textContent = t.count + (t.lost ? ' (+' + t.lost + ' lost)' : '');\n"
    "    t.last.textContent = t.at;\n"
    "  }\n"
    "};\n"
    "const connect = () => {\n"
    "  const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/api/events');\n"
    "  socket.onmessage = (event) => {\n"
    "    const m = JSON.parse(event.data);\n"
    "    if (m.type === 'hello') {\n"
    "      $('state').textContent = 'Connected.';\n"
    "      for (const topic of m.topics)\n"
    "        socket.send(JSON.stringify({ do: 'subscribe', topic, retained: false }));\n"
    "    }\n"
    "    if (m.type !== 'message' && m.type !== 'lost') return;\n"
    "    const t = topics.get(m.topic) || { count: 0, lost: 0, at: '' };\n"
    "    topics.set(m.topic, t);\n"
    "    if (m.type === 'lost') t.lost += m.lost;\n"
    "    else {\n"
    "      t.count += m.body.items && !m.topic.startsWith('core/') ? m.body.items.length : 1;\n"
    "      t.at = new Date(m.time_us / 1000).toLocaleTimeString();\n"
    "    }\n"
    "    if (!shown) shown = requestAnimationFrame(show);\n"
    "  };\n"
    "  socket.onclose = () => {\n"
    "    $('state').textContent = 'Not connected; trying again.';\n"
    "    setTimeout(connect, 3000);\n"
    "  };\n"
    "};\n"
    "connect();\n";

static void
page_send_script(struct request *rq, struct json *out)
{
	(void)rq;
	js_text(out, page_script, sizeof(page_script) - 1);
}

static void
page_send_style(struct request *rq, struct json *out)
{
	(void)rq;
	js_text(out, page_style, sizeof(page_style) - 1);
}

const struct route page_routes[] = {
	{ .method = "GET",
	  .pattern = "/start.js",
	  .handle = page_send_script,
	  .max_age_s = 3600,
	  .type = "text/javascript; charset=utf-8" },
	{ .method = "GET",
	  .pattern = "/start.css",
	  .handle = page_send_style,
	  .max_age_s = 3600,
	  .type = "text/css; charset=utf-8" },
	{ .method = NULL },
};

"""Networks that see RGB alone and whose motion is known: do preferred inputs show it?"""
